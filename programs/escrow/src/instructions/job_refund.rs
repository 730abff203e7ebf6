use anchor_lang::prelude::*;

use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::JobRefunded;
use crate::state::{Job, Provider};

#[derive(Accounts)]
pub struct JobRefund<'info> {
    /// CHECK: only receives lamports; it is the job's client, whatever owns it by now.
    #[account(mut)]
    pub client: UncheckedAccount<'info>,
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

impl JobRefund<'_> {
    fn validate(&self) -> Result<()> {
        self.job.require_refundable(Clock::get()?.unix_timestamp)
    }

    /// Gives everything back: nothing was submitted in time. Anyone may call it.
    #[access_control(ctx.accounts.validate())]
    pub fn job_refund(ctx: Context<Self>) -> Result<()> {
        let JobRefund { provider, job, .. } = ctx.accounts;
        provider.job_refunded();
        emit!(JobRefunded {
            job: job.key(),
            job_id: job.job_id,
            client: job.client,
            provider: job.provider,
            refunded: job.amount,
        });
        Ok(())
    }
}
