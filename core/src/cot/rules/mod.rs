//! The rules, one to a file. Each looks at one link, and says what is wrong with it.
mod graph;
mod tree;
