"""What is owed and left while a billing period runs: charges, thresholds, credit control."""
