import { join } from 'node:path';
import type { Config, Home, Role } from '../config.ts';
import { QvacError } from '../errors.ts';
import { createReceiptStore, type ReceiptStore, type StoredReceipt } from '../node/home/receipt-store.ts';
import { createSelectionStore, type SelectionStore } from '../node/selection/selection-store.ts';
import { type EarlierReceipts, earlierReceipts } from '../node/verification/answer-parts.ts';
import type { Receipt } from '../proofs/receipt.ts';
import { jobIdOf } from '../protocol/digests.ts';

/** The receipt stores of a home in the order in which a receipt is looked up: own answers first. */
export function receiptStoresOf(home: Home): readonly { readonly role: Role; readonly store: ReceiptStore }[] {
  return (['client', 'router', 'provider'] as const).map((role) => ({
    role,
    store: createReceiptStore(home.receiptsOf[role]),
  }));
}

/**
 * The receipt whose id begins with `prefix`: of an answer to this home, else of one that it routed or served.
 * @throws QvacError as of `ReceiptStore.get`
 */
export async function findReceipt(home: Home, prefix: string): Promise<StoredReceipt & { readonly role: Role }> {
  let missing: unknown;
  for (const { role, store } of receiptStoresOf(home)) {
    try {
      return { ...(await store.get(prefix)), role };
    } catch (error) {
      if (!(error instanceof QvacError) || error.code !== 'E_NOT_FOUND') throw error;
      missing ??= error;
    }
  }
  throw missing;
}

/**
 * The receipts of the jobs that `last` continues, as far as they are among `given` or in this home.
 * @throws MalformedError if `last` is malformed
 */
export function findEarlier(home: Home, last: Receipt, given: readonly Receipt[] = []): Promise<EarlierReceipts> {
  return earlierReceipts(last, async (id) => {
    const found = given.find(({ offer }) => jobIdOf(offer.body) === id);
    if (found !== undefined) return found;
    try {
      return (await findReceipt(home, id)).receipt;
    } catch (error) {
      if (error instanceof QvacError) return null;
      throw error;
    }
  });
}

/** The log of provider choices that `qvac why` reads. */
export function openSelectionStore({ home }: Config): SelectionStore {
  return createSelectionStore(join(home.cache, 'choices'));
}
