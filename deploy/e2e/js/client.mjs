// sigstore-js as a client of an instance under test: its own libraries, nothing else.
//
//   node client.mjs sign   SIGNING_CONFIG OUT message|dsse FILE     (token in $SIGSTORE_ID_TOKEN; dsse: FILE is a statement)
//   node client.mjs verify TRUSTED_ROOT BUNDLE FILE IDENTITY ISSUER
//
// Exit: 0 done or verified, 1 refused, 2 anything else.
import { readFileSync, writeFileSync } from 'node:fs';
import { createHash } from 'node:crypto';
import { createRequire } from 'node:module';
import path from 'node:path';

const require = createRequire(path.join(process.env.SIGSTEAD_E2E_JS ?? process.cwd(), 'package.json'));
const { bundleFromJSON, bundleToJSON } = require('@sigstore/bundle');
const { SigningConfig, TrustedRoot } = require('@sigstore/protobuf-specs');
const { bundleBuilderFromSigningConfig } = require('@sigstore/sign');
const { Verifier, toSignedEntity, toTrustMaterial } = require('@sigstore/verify');

const json = (file) => JSON.parse(readFileSync(file, 'utf8'));

async function sign([config, out, form, file]) {
  const builder = bundleBuilderFromSigningConfig({
    signingConfig: SigningConfig.fromJSON(json(config)),
    identityProvider: { getToken: async () => process.env.SIGSTORE_ID_TOKEN },
    bundleType: form === 'dsse' ? 'dsseEnvelope' : 'messageSignature',
  });
  const type = form === 'dsse' ? 'application/vnd.in-toto+json' : undefined;
  const bundle = await builder.create({ data: readFileSync(file), type });
  writeFileSync(out, JSON.stringify(bundleToJSON(bundle)));
}

function verify([root, bundleFile, file, identity, issuer]) {
  const bundle = bundleFromJSON(json(bundleFile));
  const artifact = readFileSync(file);
  const verifier = new Verifier(toTrustMaterial(TrustedRoot.fromJSON(json(root))));
  const exactly = '^' + identity.replace(/[.*+?^${}()|[\]\\]/g, '\\$&') + '$'; // the library takes a regular expression
  try {
    verifier.verify(toSignedEntity(bundle, artifact), {
      subjectAlternativeName: exactly,
      extensions: { issuer },
    });
    if (bundle.content.$case === 'dsseEnvelope') checkSubject(bundle.content.dsseEnvelope.payload, artifact);
  } catch (error) {
    console.error(`refused: ${error.code ?? ''} ${error.message}`);
    process.exit(1);
  }
}

// sigstore-js verifies an envelope and leaves its statement's subject to the caller.
function checkSubject(payload, artifact) {
  const digest = createHash('sha256').update(artifact).digest('hex');
  const statement = JSON.parse(payload.toString('utf8'));
  if (!statement.subject.some((subject) => subject.digest.sha256 === digest)) {
    throw new Error('no subject of the statement is the artifact');
  }
}

const [command, ...args] = process.argv.slice(2);
try {
  if (command === 'sign') await sign(args);
  else if (command === 'verify') verify(args);
  else throw new Error(`unknown command ${command}`);
} catch (error) {
  console.error(error);
  process.exit(2);
}
