/** Starts the edge function and asks it for one prediction. */
import process from "node:process";
import edge from "../examples/edge_function.ts";

const body = JSON.stringify({ rows: [{ "sepal length": 5.1, "sepal width": 3.5, "petal length": 1.4, "petal width": 0.2 }] });
const headers = { "content-type": "application/json" };
const response = await edge.fetch(new Request("http://localhost/predict", { method: "POST", headers, body }));
const { predictions } = await response.json();
if (predictions[0].label !== "setosa") throw new Error("The edge function answers wrongly");
process.exit();
