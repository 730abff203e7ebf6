//! The pure logic against the vectors that every implementation of the protocol is tested with.

use escrow::logic::ack::Ack;
use escrow::logic::channel_terms::{channel_id_of, ChannelTerms, Place};
use escrow::logic::equivocation::is_equivocation;
use escrow::logic::head::{is_finish, Head};
use escrow::logic::merkle::root_of_path;
use escrow::logic::message::{consent_message, sha256, signed_message, tag, ACK_KIND, CHANNEL_KIND, NO_JOB};
use escrow::logic::offer::{job_id_of, Offer};
use escrow::logic::price::{paid_count, price, Prices};
use escrow::logic::sampler::{draw, select, weight, Candidate, Sampler};
use escrow::logic::step::{Candidates, Step};
use serde_json::Value;

macro_rules! vectors {
    ($name:literal) => {
        serde_json::from_str::<Value>(include_str!(concat!("../../../test/vectors/", $name))).unwrap()
    };
}

fn hex(value: &Value) -> Vec<u8> {
    let text = value.as_str().unwrap();
    (0..text.len() / 2).map(|at| u8::from_str_radix(&text[2 * at..2 * at + 2], 16).unwrap()).collect()
}

fn digest(value: &Value) -> [u8; 32] {
    hex(value).try_into().unwrap()
}

fn digests(value: &Value) -> Vec<[u8; 32]> {
    list(value).iter().map(digest).collect()
}

fn list(value: &Value) -> &[Value] {
    let list = value.as_array().unwrap();
    assert!(!list.is_empty());
    list
}

fn int(value: &Value) -> u32 {
    value.as_u64().unwrap().try_into().unwrap()
}

fn byte(value: &Value) -> u8 {
    int(value).try_into().unwrap()
}

/// Numbers that may pass 2^53 are decimal text.
fn long(value: &Value) -> u64 {
    value.as_str().unwrap().parse().unwrap()
}

fn sampler(value: &Value) -> Sampler {
    Sampler {
        temperature: byte(&value["temperature"]),
        min_p: byte(&value["minP"]),
        top_p: byte(&value["topP"]),
        top_k: byte(&value["topK"]),
        vocab: int(&value["vocab"]),
    }
}

fn candidates(value: &Value) -> Vec<Candidate> {
    let pair = |pair: &Value| Candidate { id: int(&pair[0]), q: pair[1].as_i64().unwrap().try_into().unwrap() };
    list(value).iter().map(pair).collect()
}

fn integers(value: &Value) -> Vec<u64> {
    list(value).iter().map(|w| w.as_u64().unwrap()).collect()
}

#[test]
fn offers() {
    let file = vectors!("offer.json");
    for case in list(&file["offers"]) {
        let (fields, body) = (&case["fields"], hex(&case["body"]));
        let expected = Offer {
            client: digest(&fields["client"]),
            provider: digest(&fields["provider"]),
            exec_class: digest(&fields["execClass"]),
            seed: digest(&fields["seed"]),
            expires_at: long(&fields["expiresAt"]),
            mode: byte(&fields["mode"]),
            sampler: sampler(fields),
            max_tokens: int(&fields["maxTokens"]),
            start: int(&fields["start"]),
            pay: byte(&fields["pay"]),
            account: digest(&fields["account"]),
            amount: long(&fields["amount"]),
            prompt_tokens: int(&fields["promptTokens"]),
            price_job: long(&fields["priceJob"]),
            price_in: long(&fields["priceIn"]),
            price_out: long(&fields["priceOut"]),
            grace: int(&fields["grace"]),
            deliver_within: int(&fields["deliverWithin"]),
            plain: digest(&fields["extraDigest"]) == [0; 32],
        };
        assert_eq!(Offer::parse(&body), Ok(expected), "{}", case["what"]);
        assert_eq!(job_id_of(&body), digest(&case["jobId"]), "{}", case["what"]);
    }
    for case in list(&file["bad"]) {
        assert!(Offer::parse(&hex(&case["body"])).is_err(), "{}", case["what"]);
    }
}

#[test]
fn acknowledgements() {
    let file = vectors!("ack.json");
    for case in list(&file["acks"]) {
        let fields = &case["fields"];
        let expected = Ack {
            job_id: digest(&fields["jobId"]),
            n: int(&fields["n"]),
            stop: byte(&fields["stop"]),
            account: digest(&fields["account"]),
            committed: long(&fields["committed"]),
            released: long(&fields["released"]),
        };
        assert_eq!(Ack::parse(&hex(&case["body"])), Ok(expected), "{case}");
    }
    for case in list(&file["bad"]) {
        assert!(Ack::parse(&hex(&case["body"])).is_err(), "{}", case["what"]);
    }
}

#[test]
fn channel_terms() {
    let file = vectors!("channel.json");
    for case in list(&file["terms"]) {
        let (fields, body) = (&case["fields"], hex(&case["body"]));
        let expected = ChannelTerms {
            chain: digest(&fields["chain"]),
            program: digest(&fields["program"]),
            payer: digest(&fields["payer"]),
            authority: digest(&fields["authority"]),
            provider: digest(&fields["provider"]),
            client: digest(&fields["client"]),
            deposit: long(&fields["deposit"]),
            window: long(&fields["window"]),
            expires_at: long(&fields["expiresAt"]),
            valid_until: long(&fields["validUntil"]),
        };
        assert_eq!(ChannelTerms::parse(&body), Ok(expected), "{case}");
        assert_eq!(channel_id_of(&body), digest(&case["channel"]), "{case}");
    }
    for case in list(&file["bad"]) {
        assert!(ChannelTerms::parse(&hex(&case["body"])).is_err(), "{}", case["what"]);
    }
}

#[test]
fn channel_terms_name_one_place() {
    let terms = ChannelTerms::parse(&hex(&vectors!("channel.json")["terms"][0]["body"])).unwrap();
    let other = [9; 32];
    let place = |program, payer, authority, chain| Place { program, payer, authority, chain };
    let ChannelTerms { program, payer, authority, chain, .. } = &terms;
    assert!(terms.names(&place(program, payer, authority, None)), "a build that serves any chain");
    assert!(terms.names(&place(program, payer, authority, Some(chain))));
    assert!(!terms.names(&place(program, payer, authority, Some(&other))), "another chain");
    assert!(!terms.names(&place(&other, payer, authority, None)), "another program");
    assert!(!terms.names(&place(program, &other, authority, None)), "another payer");
    assert!(!terms.names(&place(program, payer, &other, None)), "another authority");
}

/// The signatures of the vectors are over the messages that the program makes.
#[test]
fn messages_of_acknowledgements_and_terms() {
    for case in list(&vectors!("ack.json")["acks"]) {
        let body = hex(&case["body"]);
        let message = signed_message(ACK_KIND, &Ack::parse(&body).unwrap().job_id, &body);
        assert_eq!(message[..16], *b"qvac/ack/1\0\0\0\0\0\0");
        assert_eq!(message[16..48], body[1..33]);
        assert_eq!(message[48..], sha256(&[&body]));
    }
    let body = hex(&vectors!("channel.json")["terms"][0]["body"]);
    let message = signed_message(CHANNEL_KIND, &NO_JOB, &body);
    assert_eq!((&message[..16], &message[16..48]), (&b"qvac/channel/1\0\0"[..], &[0; 32][..]));
    let consent = consent_message(&[1; 32], &[2; 32], &[3; 32], 4);
    assert_eq!((&consent[..16], &consent[16..48]), (&b"qvac/register/1\0"[..], &[2; 32][..]));
    assert_eq!(consent[48..], sha256(&[&[1; 32], &[3; 32], &[0, 0, 0, 4]]));
}

#[test]
fn prices() {
    let file = vectors!("price.json");
    let prices = |case: &Value| Prices {
        job: long(&case["priceJob"]),
        prompt: long(&case["priceIn"]),
        answer: long(&case["priceOut"]),
        score: case["score"].as_bool().unwrap(),
    };
    for case in list(&file["prices"]) {
        // Where nothing was acknowledged, nothing can be submitted.
        let Some(acked) = case["acked"].as_u64() else { continue };
        let (n, acked) = (int(&case["n"]), u32::try_from(acked).unwrap());
        let grace = if case["channel"] == true { 0 } else { int(&case["grace"]) };
        let price = price(&prices(case), int(&case["promptCount"]), paid_count(n, acked, grace));
        assert_eq!(price, u128::from(long(&case["price"])), "{case}");
    }
    for case in list(&file["amounts"]) {
        let price = price(&prices(case), int(&case["promptTokens"]), int(&case["maxTokens"]));
        assert_eq!(price, u128::from(long(&case["amount"])), "{case}");
    }
}

#[test]
fn the_largest_price_does_not_overflow() {
    let prices = Prices { job: u64::MAX, prompt: u64::MAX, answer: u64::MAX, score: false };
    let tokens = 2 * u128::from(u32::MAX) * u128::from(u64::MAX);
    assert_eq!(price(&prices, u32::MAX, u32::MAX), u128::from(u64::MAX) + tokens.div_ceil(1_000));
}

#[test]
fn tokens_that_are_paid() {
    assert_eq!(paid_count(60, 0, 64), 0, "where none was acknowledged, the grace is not paid either");
    assert_eq!(paid_count(60, 1, 32), 33);
    assert_eq!(paid_count(60, 28, 32), 60);
    assert_eq!(paid_count(60, 60, 32), 60);
    assert_eq!(paid_count(u32::MAX, u32::MAX, u32::MAX), u32::MAX);
}

#[test]
fn weights_of_single_candidates() {
    for row in list(&vectors!("sampler.json")["weights"]) {
        assert_eq!(weight(int(&row[1]), byte(&row[0])), row[3].as_u64().unwrap(), "{row}");
    }
}

/// Cases with settings are not plain: the program does not judge them.
#[test]
fn weights_draws_and_tokens() {
    let file = vectors!("sampler.json");
    let plain: Vec<_> = list(&file["cases"]).iter().filter(|case| case["settings"].is_null()).collect();
    assert!(plain.iter().any(|case| case["topP"] != 100) && plain.iter().any(|case| case["minP"] != 0));
    for case in plain {
        let candidates = candidates(&case["candidates"]);
        let sampler = Sampler {
            temperature: byte(&case["temperature"]),
            min_p: byte(&case["minP"]),
            top_p: byte(&case["topP"]),
            top_k: 20,
            vocab: u32::MAX,
        };
        let (seed, step) = (digest(&case["seed"]), int(&case["at"]));
        assert_eq!(sampler.weights(&candidates), integers(&case["weights"]), "{case}");
        assert_eq!(draw(&seed, step), long(&case["r"]), "{case}");
        assert_eq!(sampler.pick(&seed, step, &candidates), Some(int(&case["token"])), "{case}");
    }
}

#[test]
fn selection_at_the_borders() {
    for case in list(&vectors!("sampler.json")["select"]) {
        let at = select(&integers(&case["weights"]), long(&case["r"])).unwrap();
        assert_eq!(case["ids"][at], case["token"], "{case}");
    }
}

#[test]
fn candidates_of_the_wrong_form_are_not_admitted() {
    let sampler = Sampler { temperature: 70, min_p: 0, top_p: 100, top_k: 2, vocab: 10 };
    let list = |ids: &[u32]| ids.iter().map(|id| Candidate { id: *id, q: 0 }).collect::<Vec<_>>();
    assert!(sampler.admits(&list(&[3, 9])));
    for bad in [&[3][..], &[3, 4, 5], &[9, 3], &[3, 3], &[3, 10], &[]] {
        assert!(!sampler.admits(&list(bad)), "{bad:?}");
    }
    assert!(Sampler { vocab: 1, ..sampler }.admits(&list(&[0])), "a vocabulary below topK");
}

#[test]
fn audit_paths() {
    let file = vectors!("tree.json");
    let [leaves, roots] = [digests(&file["leaves"]), digests(&file["roots"])];
    for case in list(&file["paths"]) {
        let [n, i] = [int(&case["n"]), int(&case["i"])];
        let path: Vec<_> = case["path"].as_array().unwrap().iter().map(digest).collect();
        assert_eq!(root_of_path(&leaves[i as usize], i, n, &path), Some(roots[n as usize]), "{case}");
    }
    for case in list(&file["badPaths"]) {
        let [n, i] = [int(&case["n"]), int(&case["i"])];
        let path: Vec<_> = case["path"].as_array().unwrap().iter().map(digest).collect();
        let leaf = leaves.get(i as usize).copied().unwrap_or_default();
        assert_ne!(root_of_path(&leaf, i, n, &path), Some(roots[n as usize]), "{case}");
    }
    assert_eq!(root_of_path(&leaves[0], 0, 0, &[]), None, "no leaf is in the empty tree");
}

#[test]
fn heads() {
    let file = vectors!("head.json");
    for case in list(&file["heads"]) {
        let head = Head::parse(&hex(&case["body"])).unwrap();
        let expected = Head {
            job_id: digest(&case["jobId"]),
            token_count: int(&case["n"]),
            root: digest(&case["root"]),
            prefix: digest(&case["prefix"]),
            text_digest: digest(&case["textDigest"]),
            input_digest: digest(&case["inputDigest"]),
            exec_class: digest(&case["execClass"]),
            prompt_count: int(&case["promptCount"]),
            finish: byte(&case["finish"]),
        };
        assert_eq!(head, expected);
        assert_eq!(head.body().as_slice(), hex(&case["body"]));
    }
    for case in list(&file["bad"]) {
        assert!(Head::parse(&hex(&case["body"])).is_err(), "{case}");
    }
    assert!(Head::parse(&[]).is_err());
    for finish in 0..=u8::MAX {
        assert_eq!(is_finish(finish), finish <= 5 || finish == 255, "finish {finish}");
    }
}

#[test]
fn equivocation() {
    for case in list(&vectors!("head.json")["pairs"]) {
        let [a, b] = [&case["a"], &case["b"]].map(|body| Head::parse(&hex(body)).unwrap());
        let expected = case["equivocation"].as_bool().unwrap();
        assert_eq!(is_equivocation(&a, &b), expected, "{}", case["what"]);
        assert_eq!(is_equivocation(&b, &a), expected, "{}", case["what"]);
    }
}

#[test]
fn signed_messages() {
    for case in list(&vectors!("signing.json")["good"]) {
        let message = signed_message(case["kind"].as_str().unwrap(), &digest(&case["jobId"]), &hex(&case["body"]));
        assert_eq!(message.as_slice(), hex(&case["message"]), "{case}");
    }
}

#[test]
fn tags() {
    for (text, bytes) in vectors!("hashes.json")["tags"].as_object().unwrap() {
        assert_eq!(tag(text).as_slice(), hex(bytes));
    }
}

#[test]
fn candidate_digests_and_leaves() {
    let file = vectors!("hashes.json");
    for case in list(&file["cand"]) {
        let opened = Candidates { salt: hex(&case["salt"]).try_into().unwrap(), list: candidates(&case["candidates"]) };
        assert_eq!(opened.digest(&digest(&case["jobId"]), int(&case["i"])), Some(digest(&case["cand"])));
    }
    assert_eq!(Candidates { salt: [0; 16], list: vec![Candidate { id: 0, q: 0 }; 256] }.digest(&[0; 32], 0), None);
    // Each leaf is that of the candidates before it.
    for (case, opened) in list(&file["leaf"]).iter().zip(list(&file["cand"])) {
        assert_eq!(case["cand"], opened["cand"]);
        let step = Step {
            token: int(&case["token"]),
            prefix: digest(&case["prefix"]),
            candidates: Some(Candidates {
                salt: hex(&opened["salt"]).try_into().unwrap(),
                list: candidates(&opened["candidates"]),
            }),
            exact: digest(&case["exact"]),
            zk: Some(digest(&case["zk"])),
        };
        assert_eq!(step.leaf(&digest(&case["jobId"]), int(&case["i"])), Some(digest(&case["leaf"])));
    }
}

/// In mode zk 32 zero bytes stand for the candidates, in every other mode for `zk`.
#[test]
fn what_zeros_stand_for_in_a_leaf() {
    let step = Step { token: 7, prefix: [1; 32], candidates: None, exact: [2; 32], zk: Some([3; 32]) };
    let parts: [&[u8]; 9] =
        [&[0], &tag("qvac/step/1"), &[4; 32], &[0, 0, 0, 5], &[0, 0, 0, 7], &[1; 32], &[0; 32], &[2; 32], &[3; 32]];
    assert_eq!(step.leaf(&[4; 32], 5), Some(sha256(&parts)));
    let zeros = Step { zk: Some([0; 32]), ..step.clone() };
    assert_eq!(zeros.leaf(&[4; 32], 5), Step { zk: None, ..step }.leaf(&[4; 32], 5));
}

/// Whole jobs: every step's leaf, and every token follows from the offer's seed.
#[test]
fn steps_of_jobs() {
    let file = vectors!("job.json");
    for job in ["unpaid", "paid", "channel"].map(|name| &file[name]) {
        let offer = Offer::parse(&hex(&job["offerBody"])).unwrap();
        let job_id = digest(&job["jobId"]);
        for case in list(&job["steps"]) {
            let list = candidates(&case["candidates"]);
            let step = Step {
                token: int(&case["token"]),
                prefix: digest(&case["prefix"]),
                candidates: Some(Candidates { salt: hex(&case["salt"]).try_into().unwrap(), list: list.clone() }),
                exact: digest(&case["exact"]),
                zk: None,
            };
            let i = int(&case["i"]);
            assert_eq!(step.leaf(&job_id, i), Some(digest(&case["leaf"])));
            assert!(offer.sampler.follows(&offer.seed, offer.start + i, &list, step.token));
            assert!(!offer.sampler.follows(&offer.seed, offer.start + i, &list, step.token ^ 1));
        }
    }
}

#[test]
fn the_program_is_at_an_address_without_a_key() {
    assert_eq!(escrow::ID.to_bytes(), sha256(&[b"qvac/escrow/1"]));
}
