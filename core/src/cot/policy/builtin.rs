//! The policies that are built in: one for each generation.

/// The policy of the classic generation, as YAML.
pub const CLASSIC: &str = include_str!("../../../../policies/classic.yml");

/// The policy of the current generation, as YAML.
pub const CURRENT: &str = include_str!("../../../../policies/current.yml");
