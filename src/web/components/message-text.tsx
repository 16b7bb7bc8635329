import { linkify } from '../linkify.js';

/** What somebody said, as text: links can be clicked, nothing else in it does anything. */
export function MessageText({ text }: { readonly text: string }) {
  return (
    <p class="text" dir="auto">
      {linkify(text).map((part) =>
        part.href === undefined ? (
          part.text
        ) : (
          <a href={part.href} target="_blank" rel="noopener noreferrer nofollow ugc">
            {part.text}
          </a>
        ),
      )}
    </p>
  );
}
