"""What a person does to events that were taken: void many, amend one, back-fill and take back."""
