//! The accounts. Their fields change only through the methods here.

mod job;
mod provider;

pub use job::*;
pub use provider::*;
