"""What runs inside or around a training process."""
