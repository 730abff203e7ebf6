use anchor_lang::prelude::*;

use super::transfers::deposit;
use crate::constants::{JOB_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::JobCreated;
use crate::logic::offer::{job_id_of, Offer};
use crate::state::{stake_at_risk, Job, Provider, Terms};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct JobCreateArgs {
    /// Body of the offer. The job's terms are read from it, so they cannot differ from what the client signs.
    pub offer: Vec<u8>,
}

#[derive(Accounts)]
#[instruction(args: JobCreateArgs)]
pub struct JobCreate<'info> {
    #[account(mut)]
    pub client: Signer<'info>,
    #[account(seeds = [PROVIDER_SEED, provider.authority.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    #[account(
        init,
        payer = client,
        space = Job::SPACE,
        seeds = [JOB_SEED, client.key().as_ref(), &job_id_of(&args.offer)],
        bump
    )]
    pub job: Box<Account<'info, Job>>,
    pub system_program: Program<'info, System>,
}

impl JobCreate<'_> {
    /// Locks the client's lamports for one answer.
    pub fn job_create(ctx: Context<Self>, args: JobCreateArgs) -> Result<()> {
        let JobCreate { client, provider, job, system_program } = ctx.accounts;
        let offer = Offer::parse(&args.offer)?;
        // The provider could have rotated since the client looked, and heads of the key that the client knows would
        // prove nothing.
        require!(offer.provider == provider.peer, EscrowError::PeerMismatch);
        let terms = Terms::of(&offer, job_id_of(&args.offer));
        let now = Clock::get()?.unix_timestamp;
        let opened = Job::open(&offer, terms, client.key(), provider.authority, ctx.bumps.job, now)?;
        provider.require_free_stake(stake_at_risk(opened.amount)?)?;
        job.set_inner(opened);
        deposit(system_program, client.to_account_info(), job.to_account_info(), job.amount)?;
        emit!(JobCreated {
            job: job.key(),
            job_id: job.terms.job_id,
            client: job.client,
            provider: job.provider,
            amount: job.amount,
        });
        Ok(())
    }
}
