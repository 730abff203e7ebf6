use anchor_lang::prelude::*;

use super::signatures::require_signatures;
use crate::constants::{CHANNEL_SEED, EVIDENCE_SEED};
use crate::errors::EscrowError;
use crate::events::EvidenceCreated;
use crate::logic::ed25519::Expected;
use crate::logic::head::{is_finish, Head};
use crate::logic::message::{signed_message, HEAD_KIND};
use crate::logic::offer::{job_id_of, Offer};
use crate::state::{Channel, Evidence, Terms};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct EvidenceCreateArgs {
    /// Body of the offer.
    pub offer: Vec<u8>,
    /// A head of its job, without what the offer says: job id and execution class.
    pub head: HeadFields,
}

/// The fields of a head that an offer does not say.
#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct HeadFields {
    /// Tokens of the answer.
    pub token_count: u32,
    /// Root of the tree over all steps.
    pub root: [u8; 32],
    /// Digest of all tokens.
    pub prefix: [u8; 32],
    /// Digest of the answer's text.
    pub text_digest: [u8; 32],
    /// Digest of the prompt's tokens.
    pub input_digest: [u8; 32],
    /// Tokens of the prompt.
    pub prompt_count: u32,
    /// How the answer ended, 255 for not yet.
    pub finish: u8,
}

#[derive(Accounts)]
#[instruction(args: EvidenceCreateArgs)]
pub struct EvidenceCreate<'info> {
    #[account(mut)]
    pub rent_payer: Signer<'info>,
    #[account(seeds = [CHANNEL_SEED, &channel.id], bump = channel.bump)]
    pub channel: Box<Account<'info, Channel>>,
    #[account(
        init,
        payer = rent_payer,
        space = Evidence::SPACE,
        seeds = [EVIDENCE_SEED, channel.key().as_ref(), &job_id_of(&args.offer)],
        bump
    )]
    pub evidence: Box<Account<'info, Evidence>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl EvidenceCreate<'_> {
    /// There is one evidence for a job, so a provider could otherwise take its place with a head that shows little.
    fn validate(&self) -> Result<()> {
        require!(self.channel.is_client(&self.rent_payer.key()), EscrowError::Unauthorized);
        Ok(())
    }

    /// Keeps what is needed to prove something about one answer of a channel: its offer and any head of it.
    #[access_control(ctx.accounts.validate())]
    pub fn evidence_create(ctx: Context<Self>, args: EvidenceCreateArgs) -> Result<()> {
        let EvidenceCreate { rent_payer, channel, evidence, instructions, .. } = ctx.accounts;
        let offer = Offer::parse(&args.offer)?;
        Evidence::require_offer_of(channel, &offer)?;
        let head = args.head.of(job_id_of(&args.offer), offer.exec_class)?;
        let message = signed_message(HEAD_KIND, &head.job_id, &head.body());
        require_signatures(instructions, &[Expected { key: &channel.peer, message: &message }])?;
        let terms = Terms::of(&offer, head.job_id);
        let kept = Evidence::new(channel.key(), rent_payer.key(), terms, &head, ctx.bumps.evidence);
        evidence.set_inner(kept);
        emit!(EvidenceCreated {
            evidence: evidence.key(),
            channel: channel.key(),
            job_id: head.job_id,
            rent_payer: rent_payer.key(),
            root: head.root,
            token_count: head.token_count,
        });
        Ok(())
    }
}

impl HeadFields {
    fn of(&self, job_id: [u8; 32], exec_class: [u8; 32]) -> Result<Head> {
        require!(is_finish(self.finish), EscrowError::MalformedHead);
        Ok(Head {
            job_id,
            token_count: self.token_count,
            root: self.root,
            prefix: self.prefix,
            text_digest: self.text_digest,
            input_digest: self.input_digest,
            exec_class,
            prompt_count: self.prompt_count,
            finish: self.finish,
        })
    }
}
