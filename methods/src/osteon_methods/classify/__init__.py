"""Classification: one file a method."""
