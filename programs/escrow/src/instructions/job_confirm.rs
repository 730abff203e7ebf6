use anchor_lang::prelude::*;

use super::transfers::pay_provider;
use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::JobConfirmed;
use crate::state::{Job, Provider};

#[derive(Accounts)]
pub struct JobConfirm<'info> {
    /// The client, or anyone once its time to object is over.
    pub caller: Signer<'info>,
    /// CHECK: only receives lamports; it is the job's client, whatever owns it by now.
    #[account(mut)]
    pub client: UncheckedAccount<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, job.provider.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    #[account(
        mut,
        has_one = client @ EscrowError::Unauthorized,
        seeds = [JOB_SEED, job.client.as_ref(), &job.terms.job_id],
        bump = job.bump,
        close = client
    )]
    pub job: Box<Account<'info, Job>>,
}

impl JobConfirm<'_> {
    fn validate(&self) -> Result<()> {
        self.job.require_confirmable(&self.caller.key(), Clock::get()?.unix_timestamp)
    }

    /// Pays the provider.
    #[access_control(ctx.accounts.validate())]
    pub fn job_confirm(ctx: Context<Self>) -> Result<()> {
        let JobConfirm { caller, provider, job, .. } = ctx.accounts;
        let paid = job.payout();
        pay_provider(&job.to_account_info(), provider, paid)?;
        provider.unlock_stake(job.stake_at_risk)?;
        provider.count_completed();
        provider.count_earned(paid);
        provider.invariant()?;
        emit!(JobConfirmed {
            job: job.key(),
            job_id: job.terms.job_id,
            client: job.client,
            provider: job.provider,
            caller: caller.key(),
            paid,
            refunded: job.amount.saturating_sub(paid),
        });
        Ok(())
    }
}
