/** Keeps a fault in one page from taking the whole application down. Also catches a chunk that a new version replaced. */
import { Component, type ReactNode } from 'react';
import { isMissingPart } from '../../api/update.ts';
import { text } from '../../text/text.ts';
import { Failure } from './failure.tsx';

const words = text.shell.frame.errorBoundary;
const { update } = text.shell.frame;

interface Props {
  readonly children: ReactNode;
  /** A change of it (the address) gives the page another chance. */
  readonly resetKey: string;
}
interface State {
  readonly error: unknown;
  readonly key: string;
}

export class ErrorBoundary extends Component<Props, State> {
  override state: State = { error: undefined, key: this.props.resetKey };

  static getDerivedStateFromError(error: unknown): Partial<State> {
    return { error };
  }

  static getDerivedStateFromProps(props: Props, state: State): Partial<State> | null {
    return props.resetKey === state.key ? null : { error: undefined, key: props.resetKey };
  }

  override render(): ReactNode {
    if (this.state.error === undefined) return this.props.children;
    if (isMissingPart(this.state.error)) {
      return (
        <Failure
          title={update.title}
          error={new Error(update.gone)}
          action={update.reload}
          onRetry={() => window.location.reload()}
        />
      );
    }
    return (
      <Failure title={words.pageFailed} error={this.state.error} onRetry={() => this.setState({ error: undefined })} />
    );
  }
}
