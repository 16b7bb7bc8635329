import { natsContract } from './nats-place.js';

await natsContract(3);
