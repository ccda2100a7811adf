import { buildConnector, Client } from 'undici';
import connectorByFile from 'undici/lib/core/connect.js';
import ClientByFile from 'undici/lib/dispatcher/client.js';

describe('The files of undici that are imported one by one', () => {
  it('export the same functions and classes as undici itself', () => {
    expect(ClientByFile).toBe(Client);
    expect(connectorByFile).toBe(buildConnector);
  });
});
