//! Escrow for paid answers between parties that do not trust each other.
//!
//! A client locks lamports for one answer in a [`state::Job`], or for many in a [`state::Channel`]. It acknowledges what
//! it receives, and only that is paid. Then it confirms, objects, challenges the provider to open steps of the answer, or
//! proves a fault; or its silence pays the provider. The program has no admin key, no fee and no configuration.

use anchor_lang::prelude::*;

pub mod constants;
pub mod errors;
pub mod events;
pub mod instructions;
pub mod logic;
pub mod security;
pub mod state;

pub use instructions::*;

// The SHA-256 of "qvac/escrow/1", for which a private key is not known. To deploy the program, put the address of your own
// program key here (README.md).
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

    /// Pays out free stake.
    pub fn provider_withdraw(ctx: Context<ProviderWithdraw>, args: ProviderWithdrawArgs) -> Result<()> {
        ProviderWithdraw::provider_withdraw(ctx, args)
    }

    /// Locks lamports for an answer.
    pub fn job_create(ctx: Context<JobCreate>, args: JobCreateArgs) -> Result<()> {
        JobCreate::job_create(ctx, args)
    }

    /// Gives everything back: the provider declines, or did not submit in time.
    pub fn job_refund(ctx: Context<JobRefund>) -> Result<()> {
        JobRefund::job_refund(ctx)
    }

    /// Submits what was delivered and acknowledged.
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

    /// Locks a deposit for many answers.
    pub fn channel_open(ctx: Context<ChannelOpen>, args: ChannelOpenArgs) -> Result<()> {
        ChannelOpen::channel_open(ctx, args)
    }

    /// Adds to a channel's deposit.
    pub fn channel_top_up(ctx: Context<ChannelTopUp>, args: ChannelTopUpArgs) -> Result<()> {
        ChannelTopUp::channel_top_up(ctx, args)
    }

    /// Takes in acknowledged totals and pays what is released.
    pub fn channel_settle(ctx: Context<ChannelSettle>, args: ChannelSettleArgs) -> Result<()> {
        ChannelSettle::channel_settle(ctx, args)
    }

    /// Closes a channel at once, with the client's signed word that it objects to nothing.
    pub fn channel_close(ctx: Context<ChannelClose>, args: ChannelCloseArgs) -> Result<()> {
        ChannelClose::channel_close(ctx, args)
    }

    /// Begins to close a channel without the other side.
    pub fn channel_request_close(ctx: Context<ChannelRequestClose>) -> Result<()> {
        ChannelRequestClose::channel_request_close(ctx)
    }

    /// Objects to what is committed in a closing channel and not released.
    pub fn channel_reject(ctx: Context<ChannelReject>, args: ChannelRejectArgs) -> Result<()> {
        ChannelReject::channel_reject(ctx, args)
    }

    /// Ends a channel whose payer had its time to object.
    pub fn channel_finish(ctx: Context<ChannelFinish>) -> Result<()> {
        ChannelFinish::channel_finish(ctx)
    }

    /// Keeps what is needed to prove something about one answer of a channel.
    pub fn evidence_create(ctx: Context<EvidenceCreate>, args: EvidenceCreateArgs) -> Result<()> {
        EvidenceCreate::evidence_create(ctx, args)
    }

    /// Gives the rent of an evidence back once its channel is gone.
    pub fn evidence_close(ctx: Context<EvidenceClose>) -> Result<()> {
        EvidenceClose::evidence_close(ctx)
    }

    /// Demands that the provider open steps of an answer.
    pub fn challenge(ctx: Context<ChallengeAnswer>, args: ChallengeArgs) -> Result<()> {
        ChallengeAnswer::challenge(ctx, args)
    }

    /// Opens a challenged step.
    pub fn answer(ctx: Context<Answer>, args: AnswerArgs) -> Result<()> {
        Answer::answer(ctx, args)
    }

    /// Slashes for a challenge that was not answered in time.
    pub fn slash_silence(ctx: Context<SlashSilence>) -> Result<()> {
        SlashSilence::slash_silence(ctx)
    }

    /// Slashes for signed heads that contradict each other or the delivery.
    pub fn slash_equivocation(ctx: Context<SlashEquivocation>, args: SlashEquivocationArgs) -> Result<()> {
        SlashEquivocation::slash_equivocation(ctx, args)
    }

    /// Slashes for a committed step whose token was not drawn.
    pub fn slash_sampler(ctx: Context<SlashSampler>, args: SlashSamplerArgs) -> Result<()> {
        SlashSampler::slash_sampler(ctx, args)
    }
}
