import { useSignal } from '@preact/signals';
import { useEffect, useRef } from 'preact/hooks';
import { copyText } from '../clipboard.js';

interface Props {
  /** Made when it is asked for. */
  readonly text: () => string;
  /** What is copied, such as `the curl command for this message`. */
  readonly what: string;
  readonly children?: string;
}

export function CopyButton({ text, what, children = 'Copy as curl' }: Props) {
  const said = useSignal('');
  const timer = useRef<ReturnType<typeof setTimeout> | undefined>(undefined);
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async () => {
    said.value = (await copyText(text())) ? 'Copied' : 'Not allowed';
    clearTimeout(timer.current);
    timer.current = setTimeout(() => (said.value = ''), 2000);
  };
  return (
    <button type="button" class="copy" title={`Copy ${what}`} onClick={() => void copy()}>
      <span class={said.value === '' ? '' : 'hidden'}>{children}</span>
      <span class="unseen">: {what}</span>
      <span class="copied" role="status">
        {said.value}
      </span>
    </button>
  );
}
