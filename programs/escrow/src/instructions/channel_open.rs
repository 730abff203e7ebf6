use anchor_lang::prelude::*;

use super::signatures::require_signatures;
use super::transfers::deposit;
use crate::constants::{CHAIN, CHANNEL_SEED, PROVIDER_SEED};
use crate::errors::EscrowError;
use crate::events::ChannelOpened;
use crate::logic::channel_terms::{channel_id_of, ChannelTerms, Place, TERMS_SIZE};
use crate::logic::ed25519::Expected;
use crate::logic::message::{signed_message, CHANNEL_KIND, NO_JOB};
use crate::state::{Channel, Provider};

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ChannelOpenArgs {
    /// Body of the terms, which the provider's node signed: in the instruction before.
    pub terms: [u8; TERMS_SIZE],
}

#[derive(Accounts)]
#[instruction(args: ChannelOpenArgs)]
pub struct ChannelOpen<'info> {
    #[account(mut)]
    pub payer: Signer<'info>,
    #[account(mut, seeds = [PROVIDER_SEED, provider.authority.as_ref()], bump = provider.bump)]
    pub provider: Box<Account<'info, Provider>>,
    #[account(
        init,
        payer = payer,
        space = Channel::SPACE,
        seeds = [CHANNEL_SEED, &channel_id_of(&args.terms)],
        bump
    )]
    pub channel: Box<Account<'info, Channel>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl ChannelOpen<'_> {
    fn validate(&self, args: &ChannelOpenArgs) -> Result<()> {
        let terms = ChannelTerms::parse(&args.terms)?;
        let place = Place {
            program: crate::ID.as_array(),
            payer: self.payer.key.as_array(),
            authority: self.provider.authority.as_array(),
            chain: CHAIN.as_ref(),
        };
        require!(terms.names(&place), EscrowError::TermsMismatch);
        // Else a node that the authority has replaced could still lock its stake.
        require!(terms.provider == self.provider.peer, EscrowError::PeerMismatch);
        let message = signed_message(CHANNEL_KIND, &NO_JOB, &args.terms);
        require_signatures(&self.instructions, &[Expected { key: &terms.provider, message: &message }])
    }

    /// Locks the payer's deposit and the provider's stake for many answers.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn channel_open(ctx: Context<Self>, args: ChannelOpenArgs) -> Result<()> {
        let ChannelOpen { payer, provider, channel, system_program, .. } = ctx.accounts;
        let terms = ChannelTerms::parse(&args.terms)?;
        let now = Clock::get()?.unix_timestamp;
        channel.set_inner(Channel::open(&terms, channel_id_of(&args.terms), ctx.bumps.channel, now)?);
        channel.invariant()?;
        provider.lock_stake(channel.stake_at_risk)?;
        provider.invariant()?;
        deposit(system_program, payer.to_account_info(), channel.to_account_info(), channel.deposit)?;
        emit!(ChannelOpened {
            channel: channel.key(),
            id: channel.id,
            payer: channel.payer,
            provider: channel.provider,
            deposit: channel.deposit,
            window: channel.window,
            expires_at: channel.expires_at,
        });
        Ok(())
    }
}
