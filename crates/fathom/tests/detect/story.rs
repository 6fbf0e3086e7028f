//! An attack, told as one story to a receiver that is away at first.
