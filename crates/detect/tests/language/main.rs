//! Rule files as users write them.

mod stock;
