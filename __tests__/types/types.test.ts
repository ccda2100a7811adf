import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import ts from 'typescript';
import { typedBlocks } from '../docs/typed-blocks';

const ROOT = join(__dirname, '../..');
const FILES = readdirSync(__dirname)
  .filter((name) => name.endsWith('.ts') && !name.endsWith('.test.ts'))
  .map((name) => join(__dirname, name));

function options(): ts.CompilerOptions {
  const read = ts.readConfigFile(join(ROOT, 'tsconfig.json'), ts.sys.readFile.bind(ts.sys));
  const { options } = ts.parseJsonConfigFileContent(read.config, ts.sys, ROOT);
  return {
    ...options,
    // A piece of code in a document may declare what it only shows.
    noUnusedLocals: false,
    noUnusedParameters: false,
    // Readers may use it, so that what is undefined must be as good as absent in the types too.
    exactOptionalPropertyTypes: true,
  };
}

const BLOCKS = typedBlocks();

/** One program for the types and for the documents: most of its time goes into what both import. */
function createProgram(): ts.Program {
  const sources = new Map(BLOCKS.map(({ file, source }) => [file, source]));
  const host = ts.createCompilerHost(options());
  const { readFile, fileExists } = host;
  host.readFile = (name) => sources.get(name) ?? readFile.call(host, name);
  host.fileExists = (name) => sources.has(name) || fileExists.call(host, name);
  return ts.createProgram([...FILES, ...sources.keys()], options(), host);
}

function faultsOf(program: ts.Program, file: string): string[] {
  const source = program.getSourceFile(file);
  return ts.getPreEmitDiagnostics(program, source).map(({ messageText, start }) => {
    const line = source && start !== undefined ? source.getLineAndCharacterOfPosition(start).line + 1 : 0;
    return `${line}: ${ts.flattenDiagnosticMessageText(messageText, '\n')}`;
  });
}

const program = createProgram();

describe('The public types', () => {
  it.each(FILES.map((file) => [file.slice(ROOT.length + 1), file]))(
    'are tested by %s, in which valid code compiles and invalid code does not',
    (_, file) => {
      expect(faultsOf(program, file)).toEqual([]);
    },
  );

  it("contain no any in this package's own declarations", () => {
    const entry = program.getSourceFile(join(ROOT, 'lib/index.ts'));
    const found: string[] = [];
    const seen = new Set<ts.Node>();
    const checker = program.getTypeChecker();
    const visit = (node: ts.Node, name: string): void => {
      if (seen.has(node)) return;
      seen.add(node);
      if (node.kind === ts.SyntaxKind.AnyKeyword) found.push(name);
      // Function bodies are not part of the public types.
      if (ts.isBlock(node)) return;
      ts.forEachChild(node, (child) => visit(child, name));
    };
    expect(entry).toBeDefined();
    const module = entry && checker.getSymbolAtLocation(entry);
    const exported = module ? checker.getExportsOfModule(module) : [];
    expect(exported.length).toBeGreaterThan(30);
    for (const symbol of exported) {
      const target = symbol.flags & ts.SymbolFlags.Alias ? checker.getAliasedSymbol(symbol) : symbol;
      for (const declaration of target.declarations ?? []) {
        if (declaration.getSourceFile().fileName.startsWith(join(ROOT, 'lib')))
          visit(declaration, symbol.name);
      }
    }
    expect(found).toEqual([]);
  });
});

describe('The TypeScript code block of', () => {
  it.each(BLOCKS.map(({ document, line, file }) => [`${document}:${line}`, file]))(
    '%s compiles',
    (_, file) => {
      expect(faultsOf(program, file)).toEqual([]);
    },
  );
});
