import { aiDashboard, createBalancer } from 'express-ai-balancer';

const balancer = createBalancer({ endpoints: [{ name: 'main', model: 'gpt-4o', apiKey: 'k' }] });
try {
  aiDashboard(balancer, { authorize: false });
  console.log('the page is served');
} catch (error) {
  console.log(error.message);
}
balancer.close();
