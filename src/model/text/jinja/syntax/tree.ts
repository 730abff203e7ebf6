import type { Value } from '../values/values.ts';

export type Expression =
  | { readonly kind: 'constant'; readonly value: Exclude<Value, object> | null }
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'list' | 'tuple'; readonly items: readonly Expression[] }
  | { readonly kind: 'dict'; readonly pairs: readonly (readonly [Expression, Expression])[] }
  | { readonly kind: 'attribute'; readonly of: Expression; readonly name: string }
  | { readonly kind: 'item'; readonly of: Expression; readonly key: Expression }
  | { readonly kind: 'slice'; readonly of: Expression; readonly bounds: SliceBounds }
  | { readonly kind: 'call'; readonly callee: Expression; readonly args: CallArguments }
  | FilterExpression
  | { readonly kind: 'test'; readonly of: Expression; readonly name: string; readonly args: CallArguments }
  | { readonly kind: 'not'; readonly of: Expression }
  | { readonly kind: 'sign'; readonly sign: '-' | '+'; readonly of: Expression }
  | { readonly kind: 'and' | 'or'; readonly left: Expression; readonly right: Expression }
  | {
      readonly kind: 'arithmetic';
      readonly operator: ArithmeticOperator;
      readonly left: Expression;
      readonly right: Expression;
    }
  | { readonly kind: 'joined'; readonly parts: readonly Expression[] }
  | {
      readonly kind: 'comparison';
      readonly first: Expression;
      readonly rest: readonly (readonly [ComparisonOperator, Expression])[];
    }
  | {
      readonly kind: 'choice';
      readonly test: Expression;
      readonly value: Expression;
      readonly otherwise: Expression | null;
    };

export type ArithmeticOperator = '+' | '-' | '*' | '/' | '//' | '%' | '**';
export type ComparisonOperator = '==' | '!=' | '<' | '<=' | '>' | '>=' | 'in' | 'not in';

export interface SliceBounds {
  readonly start: Expression | null;
  readonly stop: Expression | null;
  readonly step: Expression | null;
}

export interface CallArguments {
  readonly positional: readonly Expression[];
  readonly named: readonly (readonly [string, Expression])[];
  /** `*list`, `**dict`. */
  readonly spread: Expression | null;
  readonly spreadNamed: Expression | null;
}

/** `of` is null if the filter is applied to a block's text. */
export interface FilterExpression {
  readonly kind: 'filter';
  readonly of: Expression | null;
  readonly name: string;
  readonly args: CallArguments;
}

/** What is assigned to: a name, several, or an attribute of a namespace. */
export type Target =
  | { readonly kind: 'name'; readonly name: string }
  | { readonly kind: 'names'; readonly targets: readonly Target[] }
  | { readonly kind: 'namespace'; readonly name: string; readonly attribute: string };

export interface Parameter {
  readonly name: string;
  readonly initial: Expression | null;
}

/** A macro's or call block's parameters, and which special names its body reads. */
export interface Signature {
  readonly parameters: readonly Parameter[];
  readonly reads: ReadonlySet<'caller' | 'varargs' | 'kwargs'>;
}

export type Body = readonly Statement[];

export type Statement =
  | { readonly kind: 'text'; readonly text: string }
  | { readonly kind: 'output'; readonly expressions: readonly Expression[] }
  | { readonly kind: 'if'; readonly branches: readonly (readonly [Expression, Body])[]; readonly otherwise: Body }
  | ForStatement
  | { readonly kind: 'set'; readonly target: Target; readonly value: Expression }
  | {
      readonly kind: 'set-block';
      readonly target: Target;
      readonly filter: FilterExpression | null;
      readonly body: Body;
    }
  | { readonly kind: 'macro'; readonly name: string; readonly signature: Signature; readonly body: Body }
  | {
      readonly kind: 'call-block';
      readonly callee: Expression;
      readonly args: CallArguments;
      readonly signature: Signature;
      readonly body: Body;
    }
  | { readonly kind: 'filter-block'; readonly filter: FilterExpression; readonly body: Body }
  | { readonly kind: 'with'; readonly bindings: readonly (readonly [Target, Expression])[]; readonly body: Body }
  | { readonly kind: 'scope'; readonly body: Body }
  | { readonly kind: 'do'; readonly expression: Expression }
  | { readonly kind: 'break' | 'continue' };

export interface ForStatement {
  readonly kind: 'for';
  readonly target: Target;
  readonly items: Expression;
  readonly test: Expression | null;
  readonly isRecursive: boolean;
  readonly body: Body;
  readonly otherwise: Body;
}
