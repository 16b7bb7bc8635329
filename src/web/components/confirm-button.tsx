import { useSignal } from '@preact/signals';
import { useLayoutEffect, useRef } from 'preact/hooks';

interface Props {
  /** What it does, such as `Delete`. */
  readonly what: string;
  /** To what, for those who do not see where it stands. */
  readonly whom: string;
  readonly onConfirm: () => void;
}

/** For what cannot be undone: asks once more, in its own place. */
export function ConfirmButton({ what, whom, onConfirm }: Props) {
  const asks = useSignal(false);
  const box = useRef<HTMLSpanElement>(null);
  const isThere = useRef(false);
  // As soon as one button stands for another: a key that is pressed at once would go nowhere.
  useLayoutEffect(() => {
    if (isThere.current) box.current?.querySelector('button')?.focus();
    isThere.current = true;
  }, [asks.value]);
  const end = () => {
    asks.value = false;
  };
  return (
    <span class="confirm" ref={box} onKeyDown={(event) => event.key === 'Escape' && asks.value && end()}>
      {asks.value ? (
        <>
          <button
            key="do"
            type="button"
            class="danger"
            onClick={() => {
              end();
              onConfirm();
            }}
          >
            Yes, {what.charAt(0).toLowerCase() + what.slice(1)}
            <span class="unseen"> {whom}</span>
          </button>{' '}
          <button key="keep" type="button" onClick={end}>
            Do not
          </button>
        </>
      ) : (
        <button key="ask" type="button" onClick={() => (asks.value = true)}>
          {what}
          <span class="unseen"> {whom}</span>
        </button>
      )}
    </span>
  );
}
