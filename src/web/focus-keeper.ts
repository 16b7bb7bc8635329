const FOCUSABLE = 'a[href], button:enabled, input:enabled, textarea:enabled, [tabindex]';

/**
 * Sees to it that the focus is never nowhere: what had it may go by what it does (a notice that is dismissed) or by what others
 * do (a client that leaves). It goes to what is nearest then, so that neither the keyboard nor a screen reader begins anew.
 */
export function keepFocus(root: HTMLElement): void {
  let focused: Element | undefined;
  let around: readonly Element[] = [];
  document.addEventListener('focusin', ({ target }) => {
    if (!(target instanceof Element)) return;
    focused = target;
    around = ancestorsOf(target, root);
  });
  const restore = () => {
    if (document.activeElement !== document.body || !focused || isThere(focused)) return;
    for (const element of around) {
      if (!element.isConnected) continue;
      const nearest = element.matches(FOCUSABLE) ? element : [...element.querySelectorAll(FOCUSABLE)].find(isThere);
      if (!(nearest instanceof HTMLElement)) continue;
      return nearest.focus({ preventScroll: true });
    }
  };
  let due = false;
  // Once all is drawn, and whoever knows better where the focus belongs has put it there.
  const soon = () => {
    if (due || !focused || isThere(focused)) return;
    due = true;
    requestAnimationFrame(() =>
      setTimeout(() => {
        due = false;
        restore();
      }),
    );
  };
  new MutationObserver(soon).observe(root, { subtree: true, childList: true, attributeFilter: ['disabled'] });
}

function isThere(element: Element): boolean {
  return element.isConnected && !element.matches(':disabled') && element.checkVisibility({ visibilityProperty: true });
}

/** What it is in, from the inside out. */
function ancestorsOf(element: Element, root: Element): Element[] {
  const ancestors: Element[] = [];
  for (let one = element.parentElement; one && root.contains(one); one = one.parentElement) ancestors.push(one);
  return ancestors;
}
