"""Training of the recall model."""
