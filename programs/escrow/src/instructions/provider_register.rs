use anchor_lang::prelude::*;

use super::signatures::require_consent;
use super::transfers::deposit;
use crate::constants::PROVIDER_SEED;
use crate::events::ProviderRegistered;
use crate::state::Provider;

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ProviderRegisterArgs {
    /// Ed25519 key of the node.
    pub peer: [u8; 32],
    /// Lamports.
    pub stake: u64,
}

#[derive(Accounts)]
pub struct ProviderRegister<'info> {
    #[account(mut)]
    pub authority: Signer<'info>,
    #[account(init, payer = authority, space = Provider::SPACE, seeds = [PROVIDER_SEED, authority.key().as_ref()], bump)]
    pub provider: Box<Account<'info, Provider>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
    pub system_program: Program<'info, System>,
}

impl ProviderRegister<'_> {
    fn validate(&self, args: &ProviderRegisterArgs) -> Result<()> {
        require_consent(&self.instructions, &self.authority.key(), &args.peer, 0)
    }

    /// Creates the provider's account with its first stake.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn provider_register(ctx: Context<Self>, args: ProviderRegisterArgs) -> Result<()> {
        crate::security::keep();
        let accounts = ctx.accounts;
        let authority = accounts.authority.key();
        let now = Clock::get()?.unix_timestamp;
        let provider = Provider::new(authority, args.peer, args.stake, ctx.bumps.provider, now)?;
        accounts.provider.set_inner(provider);
        accounts.provider.invariant()?;
        let [from, to] = [accounts.authority.to_account_info(), accounts.provider.to_account_info()];
        deposit(&accounts.system_program, from, to, args.stake)?;
        emit!(ProviderRegistered { provider: accounts.provider.key(), authority, peer: args.peer, stake: args.stake });
        Ok(())
    }
}
