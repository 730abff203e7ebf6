use anchor_lang::prelude::*;

use super::subject::*;
use super::transfers::deposit;
use crate::events::Challenged;
use crate::state::Challenge;

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ChallengeArgs {
    /// Indexes of one to three steps, each once.
    pub positions: Vec<u32>,
}

#[derive(Accounts)]
pub struct ChallengeAnswer<'info> {
    #[account(mut)]
    pub challenger: Signer<'info>,
    pub subject: Subject<'info>,
    pub system_program: Program<'info, System>,
}

impl ChallengeAnswer<'_> {
    fn validate(&self) -> Result<()> {
        let subject = &self.subject;
        subject.delivered()?.require_challengeable()?;
        subject.require_challenger(&self.challenger.key(), Clock::get()?.unix_timestamp)
    }

    /// Demands that the provider open steps of an answer, with a bond for each that pays for answering it.
    #[access_control(ctx.accounts.validate())]
    pub fn challenge(ctx: Context<Self>, args: ChallengeArgs) -> Result<()> {
        let Self { challenger, subject, system_program } = ctx.accounts;
        let token_count = subject.delivered()?.delivery().token_count;
        let now = Clock::get()?.unix_timestamp;
        let challenge = Challenge::make(&args.positions, token_count, challenger.key(), now)?;
        emit!(Challenged {
            subject: subject.address()?,
            job_id: subject.delivered()?.terms().job_id,
            challenger: challenger.key(),
            positions: args.positions,
            due: challenge.due,
            bond: challenge.bond,
        });
        let bond = challenge.bond;
        let holder = match subject.get_mut()? {
            SubjectMut::Job(job) => {
                job.challenge(challenge)?;
                job.to_account_info()
            }
            SubjectMut::Channel(evidence, channel) => {
                channel.challenge(&challenge)?;
                channel.invariant()?;
                evidence.delivery.challenge = challenge;
                evidence.to_account_info()
            }
        };
        deposit(system_program, challenger.to_account_info(), holder, bond)
    }
}
