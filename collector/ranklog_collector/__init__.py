"""The daemon of the head node: takes in what agents ship and assembles run folders; and the readers of those."""
