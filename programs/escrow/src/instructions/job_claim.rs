use anchor_lang::prelude::*;

use super::transfers::settle;
use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::JobClaimed;
use crate::state::{Job, Provider};

#[derive(Accounts)]
pub struct JobClaim<'info> {
    /// CHECK: only receives lamports; it is the job's client, whatever owns it by now.
    #[account(mut)]
    pub client: UncheckedAccount<'info>,
    /// CHECK: only receives lamports; it is the job's provider, whatever owns it by now.
    #[account(mut, address = job.provider @ EscrowError::Unauthorized)]
    pub authority: UncheckedAccount<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, job.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    #[account(
        mut,
        has_one = client @ EscrowError::Unauthorized,
        seeds = [JOB_SEED, job.client.as_ref(), &job.job_id],
        bump = job.bump,
        close = client
    )]
    pub job: Box<Account<'info, Job>>,
}

impl JobClaim<'_> {
    fn validate(&self) -> Result<()> {
        self.job.require_claimable(Clock::get()?.unix_timestamp)
    }

    /// Pays the provider; the client has said nothing in time. Anyone may call it.
    #[access_control(ctx.accounts.validate())]
    pub fn job_claim(ctx: Context<Self>) -> Result<()> {
        let JobClaim { authority, provider, job, .. } = ctx.accounts;
        let paid = settle(job, provider, authority)?;
        emit!(JobClaimed {
            job: job.key(),
            job_id: job.job_id,
            client: job.client,
            provider: job.provider,
            paid,
            refunded: job.amount.saturating_sub(paid),
        });
        Ok(())
    }
}
