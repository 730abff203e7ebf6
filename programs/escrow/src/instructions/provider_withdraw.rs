use anchor_lang::prelude::*;

use super::transfers::pay;
use crate::constants::PROVIDER_SEED;
use crate::errors::EscrowError;
use crate::events::StakeWithdrawn;
use crate::state::Provider;

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ProviderWithdrawArgs {
    /// Lamports.
    pub amount: u64,
}

#[derive(Accounts)]
pub struct ProviderWithdraw<'info> {
    #[account(mut)]
    pub authority: Signer<'info>,
    #[account(
        mut,
        has_one = authority @ EscrowError::Unauthorized,
        seeds = [PROVIDER_SEED, authority.key().as_ref()],
        bump = provider.bump
    )]
    pub provider: Box<Account<'info, Provider>>,
}

impl ProviderWithdraw<'_> {
    /// Pays out free stake. Nothing that could be slashed is free, so there is no cooldown.
    pub fn provider_withdraw(ctx: Context<Self>, args: ProviderWithdrawArgs) -> Result<()> {
        let ProviderWithdraw { authority, provider } = ctx.accounts;
        provider.withdraw(args.amount)?;
        provider.invariant()?;
        pay(&provider.to_account_info(), authority, args.amount)?;
        emit!(StakeWithdrawn { provider: provider.key(), amount: args.amount, stake: provider.stake });
        Ok(())
    }
}
