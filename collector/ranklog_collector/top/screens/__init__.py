"""The screens of `ranklog top`."""
