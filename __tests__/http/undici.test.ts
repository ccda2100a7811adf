import { buildConnector, Client } from 'undici';
import connectorByFile from 'undici/lib/core/connect.js';
import ClientByFile from 'undici/lib/dispatcher/client.js';

describe('The files of undici that are imported one by one', () => {
  it('hold what undici itself exports', () => {
    expect(ClientByFile).toBe(Client);
    expect(connectorByFile).toBe(buildConnector);
  });
});
