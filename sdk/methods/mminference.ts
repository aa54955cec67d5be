/**
 * MMInference: lines, grids and boundaries between modalities, for prompts of text and vision.
 *
 * Li et al., 2025, https://arxiv.org/abs/2504.16083 (its code is not published). Tokens of pictures and films make some heads attend to evenly
 * spaced rows and columns, and patterns break where text and vision meet. So patterns live between modalities: every head has one
 * pattern for all tokens, one for each modality of queries, or one for each pair; all that a query sees is in one softmax.
 *
 * @module
 */
import type { PlanParts } from "../attention/plan.ts";
import type { Device, Scope } from "../device/device.ts";
import { compact } from "../device/ops/compact.ts";
import { concat } from "../device/ops/concat.ts";
import { gather } from "../device/ops/gather.ts";
import { lineTiles } from "../device/ops/line_tiles.ts";
import type { Tensor } from "../device/tensor.ts";
import { checkWhole } from "./_check_whole.ts";
import { type CellGroup, cellGroups, type Coordinates, coordinatesOf, modalityOrder } from "./mminference_cells.ts";
import { noteChoices } from "./mminference_notes.ts";
import { type MmHead, type MmInter, parseHead } from "./mminference_patterns.ts";
import { loadMmProfile } from "./mminference_profile.ts";
import { calibrateMm } from "./mminference_search.ts";
import { findLines, type LineTable } from "./mminference_table.ts";
import { type Draft, type Method, method, type Note, planner, type Sizes } from "./planner.ts";
