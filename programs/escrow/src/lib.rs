//! Escrow for paid answers between parties that do not trust each other.
//!
//! A client locks lamports in a [`state::Job`]; the provider submits the head of the answer that it delivered and
//! signed. Then the client confirms, proves a fault or rejects, or the payment is released after a while. A job that is
//! not submitted in time goes back. There is no admin key, no fee and no configuration.

use anchor_lang::prelude::*;

pub mod constants;
pub mod errors;
pub mod events;
pub mod instructions;
pub mod logic;
pub mod security;
pub mod state;

pub use instructions::*;
pub use state::{Delivery, JobTerms};

// The SHA-256 of "qvac/escrow/1": an address to which nobody has the key. Whoever deploys the program puts the address of
// their own program key here (README.md).
declare_id!("FSYL7pJUxeZnou43ozsVScWPvh32ScJ7p8Hu3UT8Fw78");

#[program]
pub mod escrow {
    use super::*;

    /// Registers a provider with its first stake. The node's key must have signed for this authority.
    pub fn provider_register(ctx: Context<ProviderRegister>, args: ProviderRegisterArgs) -> Result<()> {
        ProviderRegister::provider_register(ctx, args)
    }

    /// Replaces the key of the provider's node. The new key must have signed for this authority.
    pub fn provider_rotate_peer(ctx: Context<ProviderRotatePeer>, args: ProviderRotatePeerArgs) -> Result<()> {
        ProviderRotatePeer::provider_rotate_peer(ctx, args)
    }

    /// Adds to a provider's stake.
    pub fn provider_add_stake(ctx: Context<ProviderAddStake>, args: ProviderAddStakeArgs) -> Result<()> {
        ProviderAddStake::provider_add_stake(ctx, args)
    }

    /// Asks for stake back.
    pub fn provider_request_unstake(
        ctx: Context<ProviderRequestUnstake>,
        args: ProviderRequestUnstakeArgs,
    ) -> Result<()> {
        ProviderRequestUnstake::provider_request_unstake(ctx, args)
    }

    /// Pays out the stake that was asked back, after the cooldown.
    pub fn provider_withdraw(ctx: Context<ProviderWithdraw>) -> Result<()> {
        ProviderWithdraw::provider_withdraw(ctx)
    }

    /// Locks lamports for an answer.
    pub fn job_create(ctx: Context<JobCreate>, terms: JobTerms) -> Result<()> {
        JobCreate::job_create(ctx, terms)
    }

    /// Refuses an open job: everything goes back.
    pub fn job_decline(ctx: Context<JobDecline>) -> Result<()> {
        JobDecline::job_decline(ctx)
    }

    /// Submits what was delivered.
    pub fn job_submit(ctx: Context<JobSubmit>, args: JobSubmitArgs) -> Result<()> {
        JobSubmit::job_submit(ctx, args)
    }

    /// Pays for what was delivered.
    pub fn job_confirm(ctx: Context<JobConfirm>) -> Result<()> {
        JobConfirm::job_confirm(ctx)
    }

    /// Burns the payment for what was delivered.
    pub fn job_reject(ctx: Context<JobReject>, args: JobRejectArgs) -> Result<()> {
        JobReject::job_reject(ctx, args)
    }

    /// Releases the payment after the client's time to object.
    pub fn job_claim(ctx: Context<JobClaim>) -> Result<()> {
        JobClaim::job_claim(ctx)
    }

    /// Refunds a job that was not submitted in time.
    pub fn job_refund(ctx: Context<JobRefund>) -> Result<()> {
        JobRefund::job_refund(ctx)
    }

    /// Slashes for two signed heads that contradict each other.
    pub fn slash_equivocation(ctx: Context<SlashEquivocation>, args: SlashEquivocationArgs) -> Result<()> {
        SlashEquivocation::slash_equivocation(ctx, args)
    }

    /// Slashes for a signed final head that is not the submitted one.
    pub fn slash_head_mismatch(ctx: Context<SlashHeadMismatch>, args: SlashHeadMismatchArgs) -> Result<()> {
        SlashHeadMismatch::slash_head_mismatch(ctx, args)
    }

    /// Slashes for a committed step whose token was not drawn.
    pub fn slash_sampler(ctx: Context<SlashSampler>, args: SlashSamplerArgs) -> Result<()> {
        SlashSampler::slash_sampler(ctx, args)
    }
}
