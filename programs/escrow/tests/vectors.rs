//! The pure logic against the vectors that every implementation of the protocol is tested with.

use escrow::constants::CANCEL_GRACE;
use escrow::logic::cancel::cancel_body;
use escrow::logic::equivocation::is_equivocation;
use escrow::logic::head::{finish_fits, Head};
use escrow::logic::merkle::root_of_path;
use escrow::logic::message::{sha256, signed_message, tag, CANCEL_KIND};
use escrow::logic::payout::{paid_count, payout};
use escrow::logic::sampler::{draw, select, weight, weights, Candidate, Sampler};
use escrow::logic::step::{leaf, Step};
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

fn candidates(value: &Value) -> Vec<Candidate> {
    let pair = |pair: &Value| Candidate { id: int(&pair[0]), q: pair[1].as_i64().unwrap().try_into().unwrap() };
    list(value).iter().map(pair).collect()
}

fn integers(value: &Value) -> Vec<u64> {
    list(value).iter().map(|w| w.as_u64().unwrap()).collect()
}

#[test]
fn weights_of_single_candidates() {
    for row in list(&vectors!("sampler.json")["weights"]) {
        assert_eq!(weight(int(&row[1]), byte(&row[0])), row[3].as_u64().unwrap(), "{row}");
    }
}

#[test]
fn weights_draws_and_tokens() {
    for case in list(&vectors!("sampler.json")["cases"]) {
        let candidates = candidates(&case["candidates"]);
        let sampler =
            Sampler { temperature: byte(&case["temperature"]), min_p: byte(&case["minP"]), top_k: 20, vocab: u32::MAX };
        let (seed, i) = (digest(&case["seed"]), int(&case["i"]));
        assert_eq!(weights(&candidates, sampler.temperature, sampler.min_p), integers(&case["weights"]), "{case}");
        assert_eq!(draw(&seed, i), long(&case["r"]), "{case}");
        assert_eq!(sampler.pick(&seed, i, &candidates), Some(int(&case["token"])), "{case}");
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
    let sampler = Sampler { temperature: 70, min_p: 0, top_k: 2, vocab: 10 };
    let list = |ids: &[u32]| ids.iter().map(|id| Candidate { id: *id, q: 0 }).collect::<Vec<_>>();
    assert!(sampler.admits(&list(&[3, 9])));
    for bad in [&[3][..], &[3, 4, 5], &[9, 3], &[3, 3], &[3, 10], &[]] {
        assert!(!sampler.admits(&list(bad)), "{bad:?}");
    }
    assert!(Sampler { vocab: 1, ..sampler }.admits(&list(&[0])), "a vocabulary below topK");
}

#[test]
fn sampler_settings_out_of_range() {
    let good = Sampler { temperature: 200, min_p: 100, top_k: 20, vocab: 1 };
    assert!(good.is_valid());
    assert!(Sampler { temperature: 0, min_p: 0, top_k: 1, vocab: u32::MAX }.is_valid());
    assert!(!Sampler { temperature: 201, ..good }.is_valid());
    assert!(!Sampler { min_p: 101, ..good }.is_valid());
    assert!(!Sampler { top_k: 0, ..good }.is_valid());
    assert!(!Sampler { top_k: 21, ..good }.is_valid());
    assert!(!Sampler { vocab: 0, ..good }.is_valid());
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
    }
    for case in list(&file["bad"]) {
        assert!(Head::parse(&hex(&case["body"])).is_err(), "{case}");
    }
    assert!(Head::parse(&[]).is_err());
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
fn cancels() {
    let file = vectors!("cbor.json");
    let cases: Vec<_> = list(&file["messages"]).iter().filter(|case| case["kind"] == CANCEL_KIND).collect();
    assert!(!cases.is_empty());
    for case in cases {
        let body = cancel_body(&digest(&case["value"]["jobId"]["hex"]), int(&case["value"]["n"]));
        assert_eq!(body, hex(&case["cbor"]));
    }
}

/// Every length of an integer, as RFC 8949 section 4.2.1 wants it.
#[test]
fn cancels_of_every_length() {
    for (n, encoded) in [
        (0u32, &[0u8][..]),
        (23, &[23]),
        (24, &[0x18, 24]),
        (255, &[0x18, 255]),
        (256, &[0x19, 1, 0]),
        (65_535, &[0x19, 255, 255]),
        (65_536, &[0x1a, 0, 1, 0, 0]),
        (u32::MAX, &[0x1a, 255, 255, 255, 255]),
    ] {
        let body = cancel_body(&[7; 32], n);
        assert_eq!(&body[3..3 + encoded.len()], encoded);
        assert_eq!(body.len(), 3 + encoded.len() + 11 + 32);
    }
}

#[test]
fn prices() {
    for case in list(&vectors!("hashes.json")["price"]) {
        let price = long(&case["price"]);
        let within = |amount| {
            payout(amount, int(&case["promptCount"]), int(&case["n"]), long(&case["priceIn"]), long(&case["priceOut"]))
        };
        assert_eq!(within(u64::MAX), price, "{case}");
        assert_eq!(within(price / 2), price / 2, "never above the amount: {case}");
    }
    assert_eq!(payout(u64::MAX, u32::MAX, u32::MAX, u64::MAX, u64::MAX), u64::MAX);
}

#[test]
fn tokens_after_a_cancel() {
    assert_eq!(paid_count(60, None), 60);
    assert_eq!(paid_count(60, Some(10)), 10 + CANCEL_GRACE);
    assert_eq!(paid_count(60, Some(28)), 60);
    assert_eq!(paid_count(60, Some(60)), 60);
    assert_eq!(paid_count(u32::MAX, Some(u32::MAX)), u32::MAX);
}

#[test]
fn endings() {
    for (finish, count, fits) in [
        (0, 0, false),
        (0, 1, true),
        (0, 8, true),
        (1, 7, false),
        (1, 8, true),
        (2, 0, true),
        (2, 7, true),
        (2, 8, false),
        (3, 1, false),
        (255, 1, false),
    ] {
        assert_eq!(finish_fits(finish, count, 8), fits, "finish {finish}, {count} of 8");
    }
}

#[test]
fn candidate_digests_and_leaves() {
    let file = vectors!("hashes.json");
    for case in list(&file["cand"]) {
        let step = Step {
            token: 0,
            prefix: [0; 32],
            salt: hex(&case["salt"]).try_into().unwrap(),
            candidates: candidates(&case["candidates"]),
            exact: [0; 32],
            zk: None,
        };
        assert_eq!(step.candidates_digest(&digest(&case["jobId"]), int(&case["i"])), Some(digest(&case["cand"])));
    }
    for case in list(&file["leaf"]) {
        let [job_id, prefix, cand, exact, zk] =
            ["jobId", "prefix", "cand", "exact", "zk"].map(|name| digest(&case[name]));
        assert_eq!(
            leaf(&job_id, int(&case["i"]), int(&case["token"]), &prefix, &cand, &exact, &zk),
            digest(&case["leaf"])
        );
    }
}

/// A whole job: every step's leaf, and every token follows from the offer's seed.
#[test]
fn steps_of_a_job() {
    let job = vectors!("job.json");
    let job_id = digest(&job["jobId"]);
    let params = &job["params"];
    let sampler = Sampler {
        temperature: byte(&params["temperature"]),
        min_p: byte(&params["minP"]),
        top_k: byte(&params["topK"]),
        vocab: int(&params["vocab"]),
    };
    let seed = digest(&job["offer"]["seed"]["hex"]);
    for case in list(&job["steps"]) {
        let step = Step {
            token: int(&case["token"]),
            prefix: digest(&case["prefix"]),
            salt: hex(&case["salt"]).try_into().unwrap(),
            candidates: candidates(&case["candidates"]),
            exact: digest(&case["exact"]),
            zk: None,
        };
        let i = int(&case["i"]);
        assert_eq!(step.leaf(&job_id, i), Some(digest(&case["leaf"])));
        assert_eq!(Step { zk: Some([0; 32]), ..step.clone() }.leaf(&job_id, i), step.leaf(&job_id, i));
        assert_eq!(weights(&step.candidates, sampler.temperature, sampler.min_p), integers(&case["weights"]));
        assert_eq!(draw(&seed, i), long(&case["r"]));
        assert!(sampler.follows(&seed, i, &step.candidates, step.token));
        assert!(!sampler.follows(&seed, i, &step.candidates, step.token ^ 1));
    }
}

#[test]
fn the_program_is_at_an_address_without_a_key() {
    assert_eq!(escrow::ID.to_bytes(), sha256(&[b"qvac/escrow/1"]));
}
