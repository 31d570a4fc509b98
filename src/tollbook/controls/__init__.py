"""Controls that can stop a document at a door and prove what was done; they never change it."""
