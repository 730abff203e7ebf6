use anchor_lang::prelude::*;

use super::transfers::{pay, return_bond};
use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::JobRejected;
use crate::state::{Job, Provider};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct JobRejectArgs {
    /// Digest of the verdict that the client holds. Only recorded: no program can re-execute a model.
    pub verdict_digest: [u8; 32],
}

#[derive(Accounts)]
pub struct JobReject<'info> {
    #[account(mut)]
    pub client: Signer<'info>,
    /// CHECK: only receives lamports; it is the challenger of an open challenge, else the client again.
    #[account(mut, address = job.bond_owner() @ EscrowError::Unauthorized)]
    pub challenger: UncheckedAccount<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, job.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    /// CHECK: lamports sent to this address are destroyed.
    #[account(mut, address = solana_sdk_ids::incinerator::ID)]
    pub incinerator: UncheckedAccount<'info>,
    #[account(
        mut,
        has_one = client @ EscrowError::Unauthorized,
        seeds = [JOB_SEED, job.client.as_ref(), &job.terms.job_id],
        bump = job.bump,
        close = client
    )]
    pub job: Box<Account<'info, Job>>,
}

impl JobReject<'_> {
    fn validate(&self) -> Result<()> {
        self.job.require_can_object(Clock::get()?.unix_timestamp)
    }

    /// Burns what the provider would have got. It costs the client as much as to confirm, so a false rejection gains it
    /// nothing.
    #[access_control(ctx.accounts.validate())]
    pub fn job_reject(ctx: Context<Self>, args: JobRejectArgs) -> Result<()> {
        let JobReject { challenger, provider, incinerator, job, .. } = ctx.accounts;
        let burnt = job.payout();
        pay(&job.to_account_info(), incinerator, burnt)?;
        return_bond(&job.to_account_info(), challenger, job.delivery.challenge.bond)?;
        provider.unlock_stake(job.stake_at_risk)?;
        provider.count_rejected(burnt);
        provider.invariant()?;
        emit!(JobRejected {
            job: job.key(),
            job_id: job.terms.job_id,
            client: job.client,
            provider: job.provider,
            verdict_digest: args.verdict_digest,
            burnt,
            refunded: job.amount.saturating_sub(burnt),
        });
        Ok(())
    }
}
