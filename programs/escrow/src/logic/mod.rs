//! The rules without the chain around them: pure functions over bytes and integers, tested on the host against the
//! vectors that the TypeScript side is tested with.

pub mod ack;
pub mod channel_terms;
pub mod ed25519;
pub mod equivocation;
pub mod head;
pub mod merkle;
pub mod message;
pub mod offer;
pub mod price;
mod reader;
pub mod sampler;
pub mod step;
