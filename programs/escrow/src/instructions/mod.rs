//! One file for each instruction: arguments, accounts, what is checked, what is done.

mod signatures;
mod transfers;

pub mod job_claim;
pub mod job_confirm;
pub mod job_create;
pub mod job_decline;
pub mod job_refund;
pub mod job_reject;
pub mod job_submit;
pub mod provider_add_stake;
pub mod provider_register;
pub mod provider_request_unstake;
pub mod provider_rotate_peer;
pub mod provider_withdraw;
pub mod slash_equivocation;
pub mod slash_head_mismatch;
pub mod slash_sampler;

pub use job_claim::*;
pub use job_confirm::*;
pub use job_create::*;
pub use job_decline::*;
pub use job_refund::*;
pub use job_reject::*;
pub use job_submit::*;
pub use provider_add_stake::*;
pub use provider_register::*;
pub use provider_request_unstake::*;
pub use provider_rotate_peer::*;
pub use provider_withdraw::*;
pub use slash_equivocation::*;
pub use slash_head_mismatch::*;
pub use slash_sampler::*;
