"""What makes a bus that lost something whole again: what it lacks of what is recorded, and the state it is given."""
