// Sends events to the collector at argv[2] with Segment's and RudderStack's libraries, unchanged but for the host they talk to.
const { Analytics } = require("@segment/analytics-node");
const RudderAnalytics = require("@rudderstack/rudder-sdk-node");

const order = { order_id: "T1", total: 12.5, currency: "EUR", products: [{ product_id: "SKU1", price: 12.5, quantity: 1 }] };

async function send(to) {
  const segment = new Analytics({ writeKey: "segment", host: to, flushAt: 3 });
  segment.on("error", (error) => { throw error.reason || error; });
  segment.page({ anonymousId: "s1", name: "Home", properties: { url: "https://shop.example/" } });
  segment.identify({ anonymousId: "s1", userId: "ann", traits: { plan: "gold" } });
  segment.track({ anonymousId: "s1", event: "Order Completed", properties: order });
  await segment.closeAndFlush();
  const rudder = new RudderAnalytics("rudder", { dataPlaneUrl: to, flushAt: 20 });
  rudder.track({ anonymousId: "r1", event: "Order Completed", properties: order });
  rudder.page({ anonymousId: "r1", name: "Home", properties: { url: "https://shop.example/" } });
  await new Promise((done, failed) => rudder.flush((error) => (error ? failed(error) : done())));
}

send(process.argv[2]).catch((error) => { console.error(error); process.exit(1); });
