use anchor_lang::prelude::*;

use super::signatures::require_consent;
use crate::constants::PROVIDER_SEED;
use crate::errors::EscrowError;
use crate::events::PeerRotated;
use crate::state::Provider;

#[derive(AnchorSerialize, AnchorDeserialize)]
pub struct ProviderRotatePeerArgs {
    /// The new Ed25519 key of the node.
    pub peer: [u8; 32],
}

#[derive(Accounts)]
pub struct ProviderRotatePeer<'info> {
    pub authority: Signer<'info>,
    #[account(
        mut,
        has_one = authority @ EscrowError::Unauthorized,
        seeds = [PROVIDER_SEED, authority.key().as_ref()],
        bump = provider.bump
    )]
    pub provider: Box<Account<'info, Provider>>,
    /// CHECK: the address is checked here, its contents by the functions that load from it.
    #[account(address = solana_sdk_ids::sysvar::instructions::ID)]
    pub instructions: UncheckedAccount<'info>,
}

impl ProviderRotatePeer<'_> {
    fn validate(&self, args: &ProviderRotatePeerArgs) -> Result<()> {
        require_consent(&self.instructions, &self.authority.key(), &args.peer, self.provider.next_binding()?)
    }

    /// Replaces the node's key. Jobs and channels that exist keep the one they were made with.
    #[access_control(ctx.accounts.validate(&args))]
    pub fn provider_rotate_peer(ctx: Context<Self>, args: ProviderRotatePeerArgs) -> Result<()> {
        let provider = &mut ctx.accounts.provider;
        let old_peer = provider.rotate_peer(args.peer)?;
        provider.invariant()?;
        emit!(PeerRotated {
            provider: provider.key(),
            authority: provider.authority,
            old_peer,
            new_peer: args.peer,
            bindings: provider.bindings,
        });
        Ok(())
    }
}
