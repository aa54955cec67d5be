/** The runtime's own start. */
console.log("started");
