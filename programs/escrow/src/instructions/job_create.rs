use anchor_lang::prelude::*;

use super::transfers::deposit;
use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::JobCreated;
use crate::state::{Job, JobTerms, Provider};

#[derive(Accounts)]
#[instruction(terms: JobTerms)]
pub struct JobCreate<'info> {
    #[account(mut)]
    pub client: Signer<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, provider.authority.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    #[account(
        init,
        payer = client,
        space = Job::SPACE,
        seeds = [JOB_SEED, client.key().as_ref(), &terms.job_id],
        bump
    )]
    pub job: Box<Account<'info, Job>>,
    pub system_program: Program<'info, System>,
}

impl JobCreate<'_> {
    fn validate(&self, terms: &JobTerms) -> Result<()> {
        // The provider could have rotated since the client looked, and heads of the key that the client knows would
        // prove nothing.
        require!(terms.peer == self.provider.peer, EscrowError::PeerMismatch);
        Ok(())
    }

    /// Locks the client's lamports for one answer.
    #[access_control(ctx.accounts.validate(&terms))]
    pub fn job_create(ctx: Context<Self>, terms: JobTerms) -> Result<()> {
        let accounts = ctx.accounts;
        let client = accounts.client.key();
        let provider = accounts.provider.authority;
        let number = accounts.provider.take_job(Job::stake_at_risk(terms.amount)?)?;
        let now = Clock::get()?.unix_timestamp;
        accounts.job.set_inner(Job::open(&terms, client, provider, number, ctx.bumps.job, now)?);
        let [from, to] = [accounts.client.to_account_info(), accounts.job.to_account_info()];
        deposit(&accounts.system_program, from, to, terms.amount)?;
        emit!(JobCreated {
            job: accounts.job.key(),
            job_id: terms.job_id,
            client,
            provider,
            number,
            amount: terms.amount
        });
        Ok(())
    }
}
