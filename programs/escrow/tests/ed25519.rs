//! Each way in which an ed25519 instruction can verify something else than what is asked.

use escrow::errors::EscrowError;
use escrow::logic::ed25519::{check_signatures, Expected};

const KEY: [u8; 32] = [1; 32];
const MESSAGE: [u8; 80] = [2; 80];

/// Data as the usual client libraries write it, for any number of signatures.
fn data(signed: &[(&[u8; 32], &[u8])]) -> Vec<u8> {
    let mut header = vec![signed.len() as u8, 0];
    let mut body = Vec::new();
    let start = 2 + 14 * signed.len();
    for (key, message) in signed {
        let at = (start + body.len()) as u16;
        for field in [at + 32, u16::MAX, at, u16::MAX, at + 96, message.len() as u16, u16::MAX] {
            header.extend_from_slice(&field.to_le_bytes());
        }
        body.extend_from_slice(*key);
        body.extend_from_slice(&[3; 64]);
        body.extend_from_slice(message);
    }
    [header, body].concat()
}

fn check(data: &[u8]) -> Result<(), EscrowError> {
    check_signatures(data, &[Expected { key: &KEY, message: &MESSAGE }])
}

fn altered(at: usize, value: u16) -> Vec<u8> {
    let mut data = data(&[(&KEY, &MESSAGE)]);
    data[at..at + 2].copy_from_slice(&value.to_le_bytes());
    data
}

#[test]
fn the_expected_signature() {
    assert_eq!(check(&data(&[(&KEY, &MESSAGE)])), Ok(()));
}

#[test]
fn two_expected_signatures_in_their_order() {
    let other = [9u8; 80];
    let both = data(&[(&KEY, &MESSAGE), (&KEY, &other)]);
    let expected = |a, b| [Expected { key: &KEY, message: a }, Expected { key: &KEY, message: b }];
    assert_eq!(check_signatures(&both, &expected(&MESSAGE, &other)), Ok(()));
    assert_eq!(check_signatures(&both, &expected(&other, &MESSAGE)), Err(EscrowError::MessageMismatch));
}

#[test]
fn another_number_of_signatures() {
    for signed in [&[][..], &[(&KEY, &MESSAGE[..]), (&KEY, &MESSAGE[..])]] {
        assert_eq!(check(&data(signed)), Err(EscrowError::MalformedEd25519Instruction));
    }
    assert_eq!(check(&[]), Err(EscrowError::MalformedEd25519Instruction));
}

/// Signature, key or message of another instruction: here of the first one.
#[test]
fn parts_of_another_instruction() {
    for at in [2 + 2, 2 + 6, 2 + 12] {
        for index in [0, 1, u16::MAX - 1] {
            assert_eq!(check(&altered(at, index)), Err(EscrowError::MalformedEd25519Instruction));
        }
    }
}

#[test]
fn offsets_beyond_the_data() {
    for at in [2 + 4, 2 + 8, 2 + 10] {
        assert_eq!(check(&altered(at, u16::MAX)), Err(EscrowError::MalformedEd25519Instruction));
    }
    assert_eq!(check(&data(&[(&KEY, &MESSAGE)])[..10]), Err(EscrowError::MalformedEd25519Instruction));
}

#[test]
fn another_key_or_message() {
    assert_eq!(check(&data(&[(&[8; 32], &MESSAGE)])), Err(EscrowError::SignerMismatch));
    assert_eq!(check(&data(&[(&KEY, &[8; 80])])), Err(EscrowError::MessageMismatch));
    assert_eq!(check(&data(&[(&KEY, &MESSAGE[..79])])), Err(EscrowError::MessageMismatch), "too short");
    assert_eq!(check(&data(&[(&KEY, &[2; 81])])), Err(EscrowError::MessageMismatch), "too long");
    assert_eq!(check(&altered(2 + 10, 79)), Err(EscrowError::MessageMismatch), "only a part of it");
}

/// Whatever bytes come, there is an answer and no panic.
#[test]
fn any_bytes() {
    let mut state = 1u64;
    for round in 0..20_000 {
        let bytes: Vec<u8> = (0..round % 160)
            .map(|_| {
                state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
                // Small and full bytes often, so that counts, indexes and offsets come near their borders.
                match state >> 61 {
                    0..=2 => u8::MAX,
                    3..=4 => (state >> 33) as u8 % 3,
                    _ => (state >> 33) as u8,
                }
            })
            .collect();
        assert!(check(&bytes).is_err());
    }
}
