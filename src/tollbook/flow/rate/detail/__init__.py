"""What some prices look at beyond a quantity: cells, events, windows, amounts, what came before."""
