//! The accounts' sizes, and what their transitions allow.

mod challenges;
mod channels;
mod jobs;
mod proofs;
mod sizes;
mod stake;

use anchor_lang::prelude::*;
use anchor_lang::Space;
use escrow::constants::*;
use escrow::errors::EscrowError;
use escrow::logic::ack::Ack;
use escrow::logic::channel_terms::ChannelTerms;
use escrow::logic::head::Head;
use escrow::logic::offer::{Offer, MODE_MERKLE, MODE_NONE, MODE_SCORE, MODE_ZK};
use escrow::logic::sampler::{Candidate, Sampler};
use escrow::logic::step::{Candidates, Step};
use escrow::state::{
    stake_at_risk, Challenge, Channel, ChannelStatus, Delivered, Delivery, Evidence, Job, JobStatus, Provider, Shares,
    Terms,
};

const NOW: i64 = 1_790_000_000;
const CLIENT: Pubkey = Pubkey::new_from_array([7; 32]);
const AUTHORITY: Pubkey = Pubkey::new_from_array([8; 32]);
const STRANGER: Pubkey = Pubkey::new_from_array([9; 32]);
const JOB_ID: [u8; 32] = [2; 32];

fn refused<T: std::fmt::Debug>(result: Result<T>, with: EscrowError) {
    assert_eq!(result.unwrap_err(), with.into());
}

fn provider(stake: u64) -> Provider {
    Provider::new(AUTHORITY, [1; 32], stake, 255, NOW).unwrap()
}

/// 777 + ceil((23 × 1500 + 64 × 4001) / 1000) = 1068 lamports.
fn offer() -> Offer {
    Offer {
        client: [3; 32],
        provider: [1; 32],
        exec_class: [4; 32],
        seed: [5; 32],
        expires_at: (NOW as u64 + 60) * 1_000,
        mode: MODE_MERKLE,
        sampler: Sampler { temperature: 70, min_p: 0, top_p: 100, top_k: 2, vocab: 300 },
        max_tokens: 64,
        start: 0,
        pay: 1,
        account: CLIENT.to_bytes(),
        amount: 1_068,
        prompt_tokens: 23,
        price_job: 777,
        price_in: 1_500,
        price_out: 4_001,
        grace: 32,
        deliver_within: 600,
        plain: true,
    }
}

fn open(offer: &Offer) -> Result<Job> {
    Job::open(offer, Terms::of(offer, JOB_ID), CLIENT, AUTHORITY, 255, NOW)
}

fn job() -> Job {
    open(&offer()).unwrap()
}

fn head(token_count: u32, finish: u8) -> Head {
    Head {
        job_id: JOB_ID,
        token_count,
        root: [5; 32],
        prefix: [6; 32],
        text_digest: [7; 32],
        input_digest: [8; 32],
        exec_class: [4; 32],
        prompt_count: 23,
        finish,
    }
}

fn ack(n: u32, stop: u8) -> Ack {
    Ack { job_id: JOB_ID, n, stop, account: [0; 32], committed: 0, released: 0 }
}

fn submitted(head: &Head, ack: &Ack) -> Job {
    let mut job = job();
    job.require_submittable(head, ack, NOW).unwrap();
    job.submit(head, ack, NOW).unwrap();
    job
}

fn channel_terms(deposit: u64, window: u64) -> ChannelTerms {
    ChannelTerms {
        chain: [0; 32],
        program: escrow::ID.to_bytes(),
        payer: CLIENT.to_bytes(),
        authority: AUTHORITY.to_bytes(),
        provider: [1; 32],
        client: [3; 32],
        deposit,
        window,
        expires_at: NOW as u64 + 3_600,
        valid_until: NOW as u64 + 120,
    }
}

fn channel(deposit: u64) -> Channel {
    Channel::open(&channel_terms(deposit, deposit / 2), [6; 32], 255, NOW).unwrap()
}

fn totals(committed: u64, released: u64, stop: u8) -> Ack {
    Ack { job_id: [0; 32], n: 0, stop, account: [6; 32], committed, released }
}
