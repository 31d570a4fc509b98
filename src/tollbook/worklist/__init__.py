"""The finance worklist: one item a cause, closed only by what removed the cause."""
