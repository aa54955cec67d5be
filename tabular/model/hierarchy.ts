/**
 * More classes than one pass can tell apart: a tree of passes over groups of classes (SPEC 6).
 *
 * @module
 */

/** One pass of the tree: which train rows it sees, under which labels. */
export interface ClassNode {
  /** Global classes below this node, ascending. */
  readonly classes: readonly number[];
  /** Indices of the train rows of these classes. */
  readonly rows: Int32Array;
  /** Label of each of those rows in this pass: rank of its class (leaf) or number of its group. */
  readonly labels: Int32Array;
  /** One per group; empty for a leaf. */
  readonly children: readonly ClassNode[];
}

/**
 * Builds the tree.
 *
 * @param labels Global class of every train row.
 * @param limit Classes that one pass can tell apart.
 */
export function classTree(labels: Int32Array, limit: number): ClassNode {
  const rows = Int32Array.from(labels, (_, i) => i);
  return node([...new Set(labels)].sort((a, b) => a - b), rows, labels, limit);
}

/** Number of outputs of a node's pass. */
export function outputsOf(tree: ClassNode): number {
  return tree.children.length || tree.classes.length;
}

/**
 * Multiplies the probabilities along the tree.
 *
 * @param tree The root.
 * @param probabilities [m, outputs] of every node.
 * @param m Number of test rows.
 * @param classes Number of global classes.
 * @returns [m, classes].
 */
export function combine(
  tree: ClassNode,
  probabilities: ReadonlyMap<ClassNode, Float32Array>,
  m: number,
  classes: number,
): Float32Array {
  const result = new Float32Array(m * classes);
  const visit = (at: ClassNode, weight: Float32Array): void => {
    const own = probabilities.get(at)!;
    const width = outputsOf(at);
    at.children.forEach((child, g) => visit(child, weight.map((w, i) => w * own[i * width + g]!)));
    if (at.children.length > 0) return;
    at.classes.forEach((c, rank) => {
      for (let i = 0; i < m; i++) result[i * classes + c] = weight[i]! * own[i * width + rank]!;
    });
  };
  visit(tree, new Float32Array(m).fill(1));
  return result;
}

/** All nodes, parents first. */
export function nodesOf(tree: ClassNode): ClassNode[] {
  return [tree, ...tree.children.flatMap(nodesOf)];
}

function node(classes: readonly number[], rows: Int32Array, labels: Int32Array, limit: number): ClassNode {
  const parts = classes.length <= limit
    ? classes.map((c) => [c])
    : groups(classes, Math.min(Math.ceil(classes.length / limit), limit));
  const part = new Map(parts.flatMap((members, g) => members.map((c) => [c, g] as const)));
  const children = classes.length <= limit
    ? []
    : parts.map((members) => node(members, rows.filter((i) => members.includes(labels[i]!)), labels, limit));
  return { classes, rows, labels: rows.map((i) => part.get(labels[i]!)!), children };
}

/** Consecutive groups, the larger ones first. */
function groups(classes: readonly number[], count: number): number[][] {
  const result: number[][] = [];
  let from = 0;
  for (let left = count; left > 0; left--) {
    const size = Math.ceil((classes.length - from) / left);
    result.push(classes.slice(from, from + size));
    from += size;
  }
  return result;
}
