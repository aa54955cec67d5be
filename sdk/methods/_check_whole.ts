/**
 * Checks of options that count something.
 *
 * @module
 */

/**
 * Refuses options that are not whole numbers of at least a limit.
 *
 * @param name Name of the method, for the error.
 * @param least The smallest value of every option that is checked.
 * @throws RangeError that names the option.
 */
export function checkWhole<Key extends string>(
  name: string,
  options: { readonly [K in NoInfer<Key>]?: unknown },
  least: Readonly<Record<Key, number>>,
): void {
  for (const [key, low] of Object.entries<number>(least)) {
    const value = options[key as Key];
    if (Number.isSafeInteger(value) && (value as number) >= low) continue;
    throw new RangeError(
      `Cannot use ${name}: "${key}" is ${value}, expected a whole number of at least ${low}`,
    );
  }
}
