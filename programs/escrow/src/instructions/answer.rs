use anchor_lang::prelude::*;

use super::subject::*;
use super::transfers::pay_provider;
use crate::constants::PROVIDER_SEED;
use crate::events::Answered;
use crate::logic::step::Step;
use crate::state::Provider;

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct AnswerArgs {
    /// The challenged index.
    pub position: u32,
    /// What its leaf was made of.
    pub step: Step,
    /// Audit path, from the leaf up.
    pub path: Vec<[u8; 32]>,
}

#[derive(Accounts)]
pub struct Answer<'info> {
    #[account(mut, seeds = [PROVIDER_SEED, provider.authority.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    pub subject: Subject<'info>,
}

impl Answer<'_> {
    fn validate(&self, args: &AnswerArgs) -> Result<()> {
        self.subject.require_provider(&self.provider.authority)?;
        self.subject.delivered()?.require_answer(args.position, &args.step, &args.path)
    }

    /// Opens a challenged step. It counts until somebody slashed for its being late. Anyone may call it; the provider
    /// gets the bond.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn answer(ctx: Context<Self>, args: AnswerArgs) -> Result<()> {
        let Self { provider, subject } = ctx.accounts;
        let (bond, is_over) = match subject.get_mut()? {
            SubjectMut::Job(job) => {
                let bond = job.delivery.challenge.close(args.position)?;
                pay_provider(&job.to_account_info(), provider, bond)?;
                (bond, !job.delivery.challenge.is_open())
            }
            SubjectMut::Channel(evidence, channel) => {
                let bond = evidence.delivery.challenge.close(args.position)?;
                pay_provider(&evidence.to_account_info(), provider, bond)?;
                let is_over = !evidence.delivery.challenge.is_open();
                if is_over {
                    channel.challenge_answered()?;
                    channel.invariant()?;
                }
                (bond, is_over)
            }
        };
        provider.invariant()?;
        emit!(Answered {
            subject: subject.address()?,
            job_id: subject.delivered()?.terms().job_id,
            position: args.position,
            bond,
            is_over,
        });
        Ok(())
    }
}
