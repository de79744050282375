//! The calls that an upload makes.
